import { parseArgs } from 'node:util';
import { ConfigError, describe, flagOf, loadConfig, type SettingName, settingNames, variableOf } from '../config.js';
import { UnfitDatabase } from '../db/start-check.js';
import { DataDirUnusable } from '../lib/kept-secret.js';
import { readVersion } from '../version.js';
import { type Command, EXIT, type ExitCode, type Invocation, type Output, UsageError } from './command.js';
import { importCommand } from './import.js';
import { migrateCommand } from './migrate.js';
import { openapiCommand } from './openapi.js';
import { serveCommand } from './serve.js';
import { tokenCommand } from './token.js';
import { verifyLogCommand } from './verify-log.js';

export const commands: Readonly<Record<string, Command>> = {
  serve: serveCommand,
  migrate: migrateCommand,
  import: importCommand,
  token: tokenCommand,
  'verify-log': verifyLogCommand,
  openapi: openapiCommand,
};

export interface RunOptions {
  argv: readonly string[];
  environment: Readonly<Record<string, string | undefined>>;
  stdout: Output;
  stderr: Output;
  commands: Readonly<Record<string, Command>>;
  /** Absent where no signal comes. */
  onStop?: Invocation['onStop'];
}

function overview(all: RunOptions['commands']): string {
  const lines = Object.entries(all).map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`);
  return `customer-permissions ${readVersion()}\n\nUsage: customer-permissions <command> [flags]\n\n${lines.join('\n')}\n\n\`customer-permissions <command> --help\` tells more.\n`;
}

function help(name: string, command: Command): string {
  const flags = [...Object.keys(command.flags).map((flag) => `--${flag}`), ...settingNames.map(flagOf)];
  const width = Math.max(...flags.map(({ length }) => length)) + 2;
  const own = Object.entries(command.flags).map(
    ([flag, { description }]) => `  ${`--${flag}`.padEnd(width)}${description}`,
  );
  const settings = settingNames.map(
    (setting) => `  ${flagOf(setting).padEnd(width)}${describe(setting)} [${variableOf(setting)}]`,
  );
  return [
    `Usage: customer-permissions ${name} ${command.usage}`.trimEnd(),
    '',
    command.summary,
    '',
    ...(own.length > 0 ? ['Flags:', ...own, ''] : []),
    'Settings, as flags or environment variables:',
    ...settings,
    '',
    'Exit codes: 0 done, 1 failed, 2 wrong usage or setting, 3 done with a negative answer.',
    '',
  ].join('\n');
}

/** Parses the command line, runs the command, answers the exit code. Failures a person can mend are one sentence. */
export async function run(options: RunOptions): Promise<ExitCode> {
  const { argv, stdout, stderr } = options;
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    stdout.write(overview(options.commands));
    return name === undefined ? EXIT.usage : EXIT.done;
  }
  if (name === '--version') {
    stdout.write(`${readVersion()}\n`);
    return EXIT.done;
  }
  const command = Object.hasOwn(options.commands, name) ? options.commands[name] : undefined;
  try {
    if (!command)
      throw new UsageError(
        `There is no command ${JSON.stringify(name)}. There are ${Object.keys(options.commands).join(', ')}.`,
      );
    const { values, positionals } = parse(command, rest);
    if (values.help) {
      stdout.write(help(name, command));
      return EXIT.done;
    }
    const [least, most] = command.positionals;
    if (positionals.length < least || positionals.length > most) {
      throw new UsageError(`Usage: customer-permissions ${name} ${command.usage}`.trimEnd());
    }
    const settings: Partial<Record<SettingName, string>> = {};
    for (const setting of settingNames) {
      const value = values[flagOf(setting).slice(2)];
      if (typeof value === 'string') settings[setting] = value;
    }
    const config = loadConfig(options.environment, settings, command.withoutTokens !== true);
    return await command.run({
      config,
      flags: values,
      positionals,
      stdout,
      stderr,
      onStop: options.onStop ?? (() => {}),
    });
  } catch (error) {
    if (error instanceof UsageError || error instanceof ConfigError || error instanceof DataDirUnusable) {
      stderr.write(`${error.message}\n`);
      return EXIT.usage;
    }
    if (error instanceof UnfitDatabase) {
      stderr.write(`${error.message}\n`);
      return EXIT.failed;
    }
    throw error;
  }
}

function parse(command: Command, args: readonly string[]) {
  const settingFlags = Object.fromEntries(
    settingNames.map((name) => [flagOf(name).slice(2), { type: 'string' as const }]),
  );
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...settingFlags, ...command.flags, help: { type: 'boolean', short: 'h' } },
    }) as { values: Record<string, string | boolean | undefined>; positionals: string[] };
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0]}. See --help.`);
  }
}
