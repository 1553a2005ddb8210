import type { ColumnType } from 'kysely';

/** Set when the row is made, never again. */
export type Fixed<T> = ColumnType<T, T, never>;
/** jsonb: parsed when read, JSON text when written. */
export type Json<T, Written = string> = ColumnType<T, Written, Written>;

export type PermissionResource = 'AzureReservedInstances' | 'AzureSavingsPlan';

/** ISO 8601 durations of what can be reserved. */
export type Term = 'P1Y' | 'P3Y' | 'P5Y';
export type BillingPlan = 'Upfront' | 'Monthly';
export type Origin = 'partner' | 'customer';
