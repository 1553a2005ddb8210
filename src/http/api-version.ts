import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { ApiError } from '../errors/api-error.js';

const API_VERSION = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:-preview)?$/i;

/** @throws ApiError MissingApiVersion; InvalidInput for what is not a date */
function checkApiVersion(version: string | undefined): void {
  if (version === undefined || version === '') throw new ApiError('MissingApiVersion');
  if (API_VERSION.test(version)) return;
  throw new ApiError('InvalidInput', {
    armCode: 'InvalidApiVersionParameter',
    description: `The api-version '${version.slice(0, 40)}' is invalid. It is a date, as in 2022-04-01 or 2020-04-01-preview.`,
  });
}

/** The query parameter of every ARM route. */
export const ApiVersion = {
  'api-version': Type.String({
    description: 'Any date, with or without `-preview`: one behaviour is served.',
    examples: ['2022-04-01'],
  }),
};

/** Checks `api-version` on every route of the plugin, before validation, whose refusal has no code of its own for it. */
export function requireApiVersion(app: FastifyInstance): void {
  app.addHook('preValidation', async (request) => {
    checkApiVersion((request.query as { 'api-version'?: string })['api-version']);
  });
}
