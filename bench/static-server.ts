import { readFileSync } from 'node:fs';
import Fastify from 'fastify';
import { sharedSchemas } from '../src/http/schemas.js';
import * as activityLogSchemas from '../src/nouns/activity-log/schemas.js';
import * as customerSchemas from '../src/nouns/customers/schemas.js';
import * as roleAssignmentSchemas from '../src/nouns/role-assignments/schemas.js';
import * as subscriptionSchemas from '../src/nouns/subscriptions/schemas.js';

/** An answer of the service, with the name of the component that it is. */
export interface StaticAnswer {
  path: string;
  component: string;
  body: unknown;
}

/** The reference of lists: the same rows from memory, by the serialiser of the same schema. */
const [, , port, file = ''] = process.argv;
const app = Fastify();
for (const schema of [
  ...sharedSchemas,
  ...Object.values(customerSchemas),
  ...Object.values(subscriptionSchemas),
  ...Object.values(roleAssignmentSchemas),
  ...Object.values(activityLogSchemas),
]) {
  if ('$id' in schema) app.addSchema(schema);
}
const answers = JSON.parse(readFileSync(file, 'utf8')) as StaticAnswer[];
for (const [index, { component, body }] of answers.entries()) {
  app.get(`/${index}`, { schema: { response: { 200: { $ref: `${component}#` } } } }, async () => body);
}
process.on('SIGTERM', () => process.exit());
await app.listen({ host: '127.0.0.1', port: Number(port) });
