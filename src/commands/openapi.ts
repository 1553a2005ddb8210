import { writeFile } from 'node:fs/promises';
import { openapiDocument } from '../openapi-document.js';
import { type Command, EXIT } from './command.js';

export const openapiCommand: Command = {
  summary: 'Writes the OpenAPI 3.1 description that is generated from the route schemas.',
  usage: '[--output FILE]',
  flags: { output: { type: 'string', description: 'File to write. Default: standard output.' } },
  positionals: [0, 0],
  withoutTokens: true,
  async run({ flags, stdout }) {
    const text = `${JSON.stringify(await openapiDocument(), null, 2)}\n`;
    if (typeof flags.output === 'string') await writeFile(flags.output, text);
    else stdout.write(text);
    return EXIT.done;
  },
};
