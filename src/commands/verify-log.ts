import type { KeyObject } from 'node:crypto';
import { pino } from 'pino';
import { loadTrustedKeys } from '../checkpoint-key.js';
import type { Config } from '../config.js';
import { isUuid } from '../lib/uuid.js';
import { listPartnersIn } from '../nouns/activity-log/checkpoint-store.js';
import { verifyLog } from '../nouns/activity-log/verify.js';
import { verifyCheckpoints } from '../nouns/activity-log/verify-checkpoints.js';
import { loadSecret, openDatabase } from '../server.js';
import { type Command, EXIT, type Invocation, UsageError } from './command.js';

function uuidFlag(name: string, value: string | boolean | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !isUuid(value)) throw new UsageError(`--${name} is a tenant id, a GUID.`);
  return value.toLowerCase();
}

function textFlag(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The checkpoints to hold the log against. */
interface Checkpoints {
  directory: string;
  keys: KeyObject[];
  /** Partners that have some. */
  partners: string[];
}

/** @throws UsageError, ConfigError */
async function openCheckpoints(config: Config, flags: Invocation['flags']): Promise<Checkpoints | undefined> {
  const directory = textFlag(flags.checkpoints) ?? config.checkpointDir;
  if (directory === undefined) return undefined;
  const partners = await listPartnersIn(directory);
  if (partners.length === 0) throw new UsageError(`${directory} holds no checkpoints.`);
  return {
    directory,
    keys: await loadTrustedKeys(config, directory, textFlag(flags['checkpoint-public-key'])),
    partners,
  };
}

export const verifyLogCommand: Command = {
  summary: 'Recomputes the hash chains of the activity log and names the first bad entry of each customer.',
  usage: '[--partner ID] [--customer ID] [--checkpoints DIR [--checkpoint-public-key FILE]]',
  flags: {
    partner: { type: 'string', description: 'Tenant id of a partner. Default: all.' },
    customer: { type: 'string', description: 'Tenant id of a customer. Default: all.' },
    checkpoints: {
      type: 'string',
      description: 'Directory of signed checkpoints to hold the log against. Default: CHECKPOINT_DIR.',
    },
    'checkpoint-public-key': {
      type: 'string',
      description: 'PEM file of the keys that sign them. Default: of CHECKPOINT_KEY, else those in the directory.',
    },
  },
  positionals: [0, 0],
  async run({ config, flags, stdout }) {
    const partner = uuidFlag('partner', flags.partner);
    const customer = uuidFlag('customer', flags.customer);
    const checkpoints = await openCheckpoints(config, flags);
    const { db, close } = await openDatabase(config, await loadSecret(config), pino({ level: 'silent' }));
    try {
      const ids = await db.listPartnerIds();
      const wanted = (id: string) => partner === undefined || id === partner;
      const total = { customers: 0, entries: 0, checkpoints: 0, badCheckpoints: 0 };
      /** Customers that were named, each once: the first bad entry is what counts. */
      const named = new Set<string>();
      for (const partnerId of ids.filter(wanted)) {
        const onBadEntry = (customerId: string, seq: number, text: string) => {
          const who = `partner ${partnerId}, customer ${customerId}`;
          if (!named.has(who)) stdout.write(`${who}, entry ${seq}: ${text}\n`);
          named.add(who);
        };
        const done = await verifyLog(db, partnerId, customer, (customerId, { seq, text }) => {
          onBadEntry(customerId, seq, text);
        });
        total.customers += done.customers;
        total.entries += done.entries;
        if (!checkpoints) continue;
        const onBadCheckpoint = (number: number, text: string) => {
          stdout.write(`partner ${partnerId}, checkpoint ${number}: ${text}\n`);
          total.badCheckpoints += 1;
        };
        const { directory, keys } = checkpoints;
        const report = { onBadEntry, onBadCheckpoint };
        const held = await verifyCheckpoints(db, directory, partnerId, keys, customer, report);
        total.checkpoints += held.checkpoints;
        if (held.first !== 1) {
          const since = held.first === undefined ? 'has no checkpoint' : `has checkpoints from number ${held.first} on`;
          stdout.write(`partner ${partnerId} ${since}\n`);
        }
      }
      for (const gone of checkpoints?.partners ?? []) {
        if (!wanted(gone) || ids.includes(gone)) continue;
        stdout.write(`partner ${gone} has checkpoints and is not in the database\n`);
        total.badCheckpoints += 1;
      }
      if (partner !== undefined && !ids.includes(partner) && total.badCheckpoints === 0) {
        throw new UsageError(`There is no partner ${partner}.`);
      }
      const faults = named.size + total.badCheckpoints;
      if (customer !== undefined && total.customers === 0 && faults === 0) {
        throw new UsageError(`There is no customer ${customer}.`);
      }
      const held = checkpoints ? `, ${total.checkpoints} checkpoints` : '';
      const faulty = named.size === 0 ? '' : `, ${named.size} customers with a fault`;
      stdout.write(`${total.customers} customers, ${total.entries} entries${held} verified${faulty}\n`);
      return faults === 0 ? EXIT.done : EXIT.negative;
    } finally {
      await close();
    }
  },
};
