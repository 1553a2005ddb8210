import { pino } from 'pino';
import { isUuid } from '../lib/uuid.js';
import { verifyLog } from '../nouns/activity-log/verify.js';
import { loadSecret, openDatabase } from '../server.js';
import { type Command, EXIT, UsageError } from './command.js';

function uuidFlag(name: string, value: string | boolean | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !isUuid(value)) throw new UsageError(`--${name} is a tenant id, a GUID.`);
  return value.toLowerCase();
}

export const verifyLogCommand: Command = {
  summary: 'Recomputes the hash chains of the activity log and names the first bad entry of each customer.',
  usage: '[--partner ID] [--customer ID]',
  flags: {
    partner: { type: 'string', description: 'Tenant id of a partner. Default: all.' },
    customer: { type: 'string', description: 'Tenant id of a customer. Default: all.' },
  },
  positionals: [0, 0],
  async run({ config, flags, stdout }) {
    const partner = uuidFlag('partner', flags.partner);
    const customer = uuidFlag('customer', flags.customer);
    const { db, close } = await openDatabase(config, await loadSecret(config), pino({ level: 'silent' }));
    try {
      const ids = (await db.listPartnerIds()).filter((id) => partner === undefined || id === partner);
      if (partner !== undefined && ids.length === 0) throw new UsageError(`There is no partner ${partner}.`);
      const total = { customers: 0, entries: 0, faults: 0 };
      for (const partnerId of ids) {
        const done = await verifyLog(db, partnerId, customer, (customerId, fault) => {
          stdout.write(`partner ${partnerId}, customer ${customerId}, entry ${fault.seq}: ${fault.text}\n`);
        });
        total.customers += done.customers;
        total.entries += done.entries;
        total.faults += done.faults;
      }
      if (customer !== undefined && total.customers === 0) throw new UsageError(`There is no customer ${customer}.`);
      const faulty = total.faults === 0 ? '' : `, ${total.faults} customers with a fault`;
      stdout.write(`${total.customers} customers, ${total.entries} entries verified${faulty}\n`);
      return total.faults === 0 ? EXIT.done : EXIT.negative;
    } finally {
      await close();
    }
  },
};
