import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { startService } from '../helpers/service.js';

const service = await startService(t);

t.test('what was answered 408 is not done, even when the rest of it comes', async (t) => {
  const { customerId } = await service.newCustomer();
  const body = '{"state":"on"}';
  const head = [
    `PUT /v1/customers/${customerId}/purchasepermissions/AzureReservedInstances HTTP/1.1`,
    'Host: 127.0.0.1',
    `Authorization: Bearer ${service.tokens.admin}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    '\r\n',
  ].join('\r\n');
  const whole = head + body;
  const sendInTwo = async (first: number) => {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    let answer = '';
    const refused = new Promise<void>((resolve) => {
      socket.on('data', (bytes) => {
        answer += bytes;
        if (answer.includes(' 408 ')) resolve();
      });
    });
    socket.on('error', () => {});
    socket.write(whole.slice(0, first));
    await refused;
    socket.write(whole.slice(first));
    await once(socket, 'close');
    return answer;
  };
  const answers = await Promise.all([sendInTwo(40), sendInTwo(head.length + 3)]);
  for (const answer of answers) t.equal(answer.split('HTTP/1.1 ').length, 2, 'one answer');
  t.strictSame(await service.sql('select from activity_log where customer_id = $1', [customerId]), []);
});
