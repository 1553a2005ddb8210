import { describe, flagOf, Settings, settingNames, variableOf } from '../../src/config.js';

/** README's table of settings, as `src/config.ts` has them. */
export function settingsTable(): string {
  const rows = settingNames.map((name) => {
    const { default: value } = Settings.properties[name] as { default?: unknown };
    const shown = Array.isArray(value) ? value.join(',') : (value ?? '');
    const cell = shown === '' ? '' : `\`${shown}\``;
    return `| \`${variableOf(name)}\` | \`${flagOf(name)}\` | ${cell} | ${describe(name).replaceAll('|', '\\|')} |`;
  });
  return ['| Variable | Flag | Default | What it is |', '|---|---|---|---|', ...rows].join('\n');
}
