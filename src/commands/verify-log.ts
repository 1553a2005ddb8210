import type { KeyObject } from 'node:crypto';
import { pino } from 'pino';
import { loadTrustedKeys } from '../checkpoint-key.js';
import type { Config } from '../config.js';
import type { DatabaseHandle } from '../db/connect.js';
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

/** What has been verified so far, and what of it is not as it was. */
interface Tally {
  customers: number;
  entries: number;
  checkpoints: number;
  /** Each once: the first bad entry of a customer is what counts. */
  badCustomers: Set<string>;
  /** With a bad checkpoint, or with checkpoints and without rows. */
  badPartners: Set<string>;
}

async function verifyPartner(
  db: DatabaseHandle,
  partnerId: string,
  customer: string | undefined,
  checkpoints: Checkpoints | undefined,
  tally: Tally,
  print: (line: string) => void,
): Promise<void> {
  const onBadEntry = (customerId: string, seq: number, text: string) => {
    const who = `partner ${partnerId}, customer ${customerId}`;
    if (!tally.badCustomers.has(who)) print(`${who}, entry ${seq}: ${text}`);
    tally.badCustomers.add(who);
  };
  const done = await verifyLog(db, partnerId, customer, (customerId, { seq, text }) => {
    onBadEntry(customerId, seq, text);
  });
  tally.customers += done.customers;
  tally.entries += done.entries;
  if (!checkpoints) return;
  const onBadCheckpoint = (number: number, text: string) => {
    print(`partner ${partnerId}, checkpoint ${number}: ${text}`);
    tally.badPartners.add(partnerId);
  };
  const { directory, keys } = checkpoints;
  const report = { onBadEntry, onBadCheckpoint };
  const held = await verifyCheckpoints(db, directory, partnerId, keys, customer, report);
  tally.checkpoints += held.checkpoints;
  if (held.first === undefined) print(`partner ${partnerId} has no checkpoint`);
  else if (held.first > 1) print(`partner ${partnerId} has checkpoints from number ${held.first} on`);
}

function summaryOf(tally: Tally, checkpoints: Checkpoints | undefined): string {
  const { customers, entries, badCustomers, badPartners } = tally;
  return [
    `${customers} customers, ${entries} entries`,
    checkpoints ? `, ${tally.checkpoints} checkpoints verified` : ' verified',
    badCustomers.size > 0 ? `, ${badCustomers.size} customers with a fault` : '',
    badPartners.size > 0 ? `, ${badPartners.size} partners with a bad checkpoint` : '',
  ].join('');
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
    const print = (line: string) => stdout.write(`${line}\n`);
    try {
      const all = new Set(await db.listPartnerIds());
      const known = new Set([...all, ...(checkpoints?.partners ?? [])]);
      if (partner !== undefined && !known.has(partner)) throw new UsageError(`There is no partner ${partner}.`);
      const tally: Tally = {
        customers: 0,
        entries: 0,
        checkpoints: 0,
        badCustomers: new Set(),
        badPartners: new Set(),
      };
      for (const id of known) {
        if (partner !== undefined && id !== partner) continue;
        if (all.has(id)) {
          await verifyPartner(db, id, customer, checkpoints, tally, print);
        } else {
          print(`partner ${id} has checkpoints and is not in the database`);
          tally.badPartners.add(id);
        }
      }
      const faults = tally.badCustomers.size + tally.badPartners.size;
      if (customer !== undefined && tally.customers + faults === 0) {
        throw new UsageError(`There is no customer ${customer}.`);
      }
      print(summaryOf(tally, checkpoints));
      return faults === 0 ? EXIT.done : EXIT.negative;
    } finally {
      await close();
    }
  },
};
