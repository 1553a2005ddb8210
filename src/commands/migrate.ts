import { ConfigError } from '../config.js';
import { migrate } from '../db/migrate.js';
import { usable } from '../db/start-check.js';
import { loginOf } from '../server.js';
import { type Command, EXIT } from './command.js';

export const migrateCommand: Command = {
  summary: 'Brings the schema up to date and provisions the login of DATABASE_URL.',
  usage: '[flags]',
  flags: {},
  positionals: [0, 0],
  withoutTokens: true,
  async run({ config, stdout }) {
    if (!config.databaseUrl || !config.migrationDatabaseUrl) {
      const name = config.databaseUrl ? 'MIGRATION_DATABASE_URL' : 'DATABASE_URL';
      throw new ConfigError(`${name} is missing: migrate needs the owner's login and the application's.`);
    }
    const options = { ownerUrl: config.migrationDatabaseUrl, appUser: loginOf(config.databaseUrl) };
    const { applied } = await usable('MIGRATION_DATABASE_URL', migrate(options));
    stdout.write(applied.length === 0 ? 'The schema is up to date.\n' : `Applied ${applied.join(', ')}.\n`);
    return EXIT.done;
  },
};
