import type { Alteration } from './altered-build.js';

/** No request takes so long. */
export const LIMIT_MS = 5000;

/** The service without what the suite `input` is about. */
export const LOOSE: readonly Alteration[] = [
  { file: 'http/strict-json.js', line: 'value = parse(text);', by: 'return JSON.parse(text);' },
  {
    file: 'errors/catalogue.js',
    line: "CustomerNotFound: entry(404, '60003'",
    by: "CustomerNotFound: entry(410, '60003'",
  },
  { file: 'plugins/errors.js', line: 'if (validation) {', by: 'if (false) {' },
  {
    file: 'plugins/errors.js',
    line: 'if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)',
    by: 'if (false)',
  },
  {
    file: 'plugins/errors.js',
    line: 'const refusal = toApiError(error);',
    by: `const refusal = toApiError(error);
    globalThis.refusals = (globalThis.refusals ?? 0) + 1;
    if (globalThis.refusals % 300 === 0) for (const { user } = process.cpuUsage(); process.cpuUsage().user - user < 60_000; );`,
  },
  { file: 'plugins/deadline.js', line: 'open[place] = { request, reply, begun: runningTime() };', by: '' },
  {
    file: 'plugins/authentication.js',
    line: `request.caller = cached.caller;
                return done();`,
    by: `request.caller = cached.caller;
                globalThis.callers = (globalThis.callers ?? 0) + 1;
                return globalThis.callers === 500 ? void setTimeout(done, ${LIMIT_MS + 300}) : done();`,
  },
  { file: 'app.js', line: 'headersTimeout: 3000,', by: 'headersTimeout: 3000, insecureHTTPParser: true,' },
];
