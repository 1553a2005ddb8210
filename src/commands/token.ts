import { pino } from 'pino';
import { ConfigError } from '../config.js';
import { mintToken } from '../nouns/identity/mint.js';
import type { PartnerRole } from '../plugins/tokens/rules.js';
import { addressOf, loadSecret, openDatabase, openIdentity } from '../server.js';
import { type Command, EXIT, UsageError } from './command.js';

const ROLES: readonly PartnerRole[] = ['AdminAgent', 'SalesAgent', 'HelpDeskAgent'];

export const tokenCommand: Command = {
  summary: 'Prints an access token of the built-in issuer (development only).',
  usage: '--partner NAME [--role ROLE] | --customer TENANT --user UPN',
  flags: {
    partner: { type: 'string', description: 'Name, domain or tenant id of a partner of demo/identity.json.' },
    role: { type: 'string', description: `${ROLES.join(', ')}. Default: AdminAgent.` },
    customer: { type: 'string', description: 'Tenant id of a customer.' },
    user: { type: 'string', description: 'userPrincipalName of whom the token is for.' },
    'app-only': { type: 'boolean', description: 'A token of an application instead of a user.' },
    audience: { type: 'string', description: 'Resource the token is for.' },
    lifetime: { type: 'string', description: 'Seconds until it expires. Default: 3600.' },
  },
  positionals: [0, 0],
  async run({ config, flags, stdout }) {
    const text = (name: string) => (typeof flags[name] === 'string' ? (flags[name] as string) : undefined);
    const [partner, customer, user, role] = [text('partner'), text('customer'), text('user'), text('role')];
    if ((partner === undefined) === (customer === undefined)) {
      throw new UsageError('Name either --partner or --customer.');
    }
    if (role !== undefined && !ROLES.some((known) => known === role)) {
      throw new UsageError(`--role is one of ${ROLES.join(', ')}.`);
    }
    const lifetime = text('lifetime');
    if (lifetime !== undefined && !/^\d{1,6}$/.test(lifetime))
      throw new UsageError('--lifetime is a number of seconds.');
    const audience = text('audience');
    // Users of customers are in the database; agents of partners in the file of accounts.
    const database = customer
      ? await openDatabase(config, await loadSecret(config), pino({ level: 'silent' }))
      : undefined;
    try {
      const identity = await openIdentity(config, addressOf(config), database?.db);
      if (!identity) throw new ConfigError('IDENTITY=external: tokens come from the issuers of TOKEN_ISSUERS.');
      const token = await mintToken(identity, {
        ...(partner !== undefined ? { partner } : { customer: customer ?? '' }),
        ...(role !== undefined && { role: role as PartnerRole }),
        ...(user !== undefined && { user }),
        ...(flags['app-only'] === true && { appOnly: true }),
        ...(audience !== undefined && { audience }),
        ...(lifetime !== undefined && { lifetimeSeconds: Number(lifetime) }),
      });
      stdout.write(`${token}\n`);
      return EXIT.done;
    } finally {
      await database?.close();
    }
  },
};
