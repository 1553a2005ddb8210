import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import type { RunningService } from '../harness/service.js';

const WAVES = 4;
const AT_ONCE = 40;
/** The service has closed its side by then, and the database's connections are not idle for long yet. */
const CLOSED_MS = 200;

/** Open descriptors of the service, with all of its connections to the database open: these come and go by themselves. */
export async function countDescriptors({ url, process }: RunningService, token: string): Promise<number> {
  const ask = async () => {
    const asked = request(`${url}/v1/customers?size=20`, {
      agent: false,
      headers: { authorization: `Bearer ${token}` },
    });
    asked.end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    answer.resume();
    await once(answer, 'close');
  };
  // A service without room for them is counted, too.
  for (let wave = 0; wave < WAVES; wave++) await Promise.allSettled(Array.from({ length: AT_ONCE }, ask));
  await setTimeout(CLOSED_MS);
  return readdirSync(`/proc/${process.pid}/fd`).length;
}
