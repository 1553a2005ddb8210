import { catalogue, type ErrorName } from './catalogue.js';

/** One of several reasons of a refusal, with a name that programs can compare. */
export interface Reason {
  code: string;
  /** What is so and what to do. */
  message: string;
}

export interface ApiErrorDetails {
  /** What went wrong here and what to do about it, at most 1024 characters; the catalogue's sentence when absent. */
  description?: string;
  /** One sentence per further reason: `data[]` on the Partner Center face, `details[].message` on the ARM face. */
  data?: readonly string[];
  /** Like `data`, each with a code of its own, which `details[]` shows. */
  reasons?: readonly Reason[];
  /** The ARM face's `error.code` where it differs from the catalogue's. */
  armCode?: string;
  /** Answer headers that belong to the refusal, e.g. `Retry-After` or `Allow`. */
  headers?: Readonly<Record<string, string>>;
  /** What really happened. Logged, never answered. */
  cause?: unknown;
}

/**
 * A refusal with a stable code. Everything but `cause` is public; `plugins/errors.ts` is the only place that turns one
 * into a body.
 */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly armCode: string;
  readonly data: readonly string[];
  readonly reasons: readonly Reason[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly errorName: ErrorName,
    details: ApiErrorDetails = {},
  ) {
    const entry = catalogue[errorName];
    super((details.description ?? entry.description).slice(0, 1024), { cause: details.cause });
    this.name = 'ApiError';
    this.status = entry.status;
    this.code = entry.code;
    this.armCode = details.armCode ?? entry.armCode;
    this.reasons = details.reasons ?? (details.data ?? []).map((message) => ({ code: this.armCode, message }));
    this.data = this.reasons.map(({ message }) => message);
    this.headers = details.headers ?? {};
  }
}
