export interface CatalogueEntry {
  /** HTTP status. */
  readonly status: number;
  /**
   * `code` on the Partner Center face. Digits are documented ones
   * (https://learn.microsoft.com/partner-center/developer/error-codes); those from 990000 up are this service's own.
   */
  readonly code: string;
  /** `error.code` on the ARM face. */
  readonly armCode: string;
  /** The default sentence: what is wrong and what to do. */
  readonly description: string;
}

export function entry(status: number, code: string, armCode: string, description: string): CatalogueEntry {
  return { status, code, armCode, description };
}
