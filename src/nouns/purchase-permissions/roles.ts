/** Ids of the built-in roles that can make a buyer (https://learn.microsoft.com/azure/role-based-access-control/built-in-roles). */
export const OWNER = '8e3af657-a8ff-443c-a75c-2fe8c4bcb635';
export const RESERVATION_PURCHASER = 'f7b75c60-3036-4b75-91c3-6b41c27c1689';
export const SAVINGS_PLAN_PURCHASER = '3d24a3a0-c154-4f6f-a5ed-adc8e01ddb74';

export const BUYER_ROLE_IDS: readonly string[] = [OWNER, RESERVATION_PURCHASER, SAVINGS_PLAN_PURCHASER];
