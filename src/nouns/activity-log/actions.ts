/**
 * Operation types of the audit API that this service writes, with the label the activity log shows
 * (https://learn.microsoft.com/partner-center/developer/auditing-resources). The two labels of a permission switch are
 * those of https://learn.microsoft.com/partner-center/customers/give-customers-permission; role assignments, reservations
 * and change requests have no published type and get their own.
 */
export const OPERATIONS = {
  add_customer: 'Add Customer',
  update_customer_billing_profile: 'Update Customer Billing Profile',
  remove_partner_customer_relationship: 'Remove Partner Customer Relationship',
  update_company_info: 'Update Company Info',
  dap_admin_relationship_terminated: 'Terminate Delegated Admin Relationship',
  delete_tip_customer: 'Delete Sandbox Customer',
  create_customer_user: 'Create Customer User',
  update_customer_user: 'Update Customer User',
  delete_customer_user: 'Delete Customer User',
  add_user_member: 'Add User Member',
  remove_user_member: 'Remove User Member',
  update_subscription: 'Update Subscription',
  create_agreement: 'Create Agreement',
  create_order: 'Create Order',
  update_order: 'Update Order',
  create_azure_entitlement: 'Create Azure Entitlement',
  update_reservation: 'Update Reservation',
  return_reservation: 'Return Reservation',
  exchange_reservation: 'Exchange Reservation',
  create_change_request: 'Create Change Request',
  update_change_request: 'Update Change Request',
  create_role_assignment: 'Create Role Assignment',
  update_role_assignment: 'Update Role Assignment',
  delete_role_assignment: 'Delete Role Assignment',
  create_self_serve_policy: 'Create Customer Purchase Permissions',
  update_self_serve_policy: 'Update Customer Purchase Permissions',
  delete_self_serve_policy: 'Delete Customer Purchase Permissions',
} as const;

export type OperationType = keyof typeof OPERATIONS;

export type ResourceType =
  | 'customer'
  | 'customer_user'
  | 'subscription'
  | 'azure_entitlement'
  | 'agreement'
  | 'order'
  | 'reservation'
  | 'change_request'
  | 'partner_customer_relationship'
  | 'customer_directory_role'
  | 'role_assignment'
  | 'self_serve_policy';

/** Labels that do not follow from the operation type: a switch by its direction, an eligibility that changed by itself. */
export const PERMISSION_ACTIONS = {
  on: OPERATIONS.create_self_serve_policy,
  off: OPERATIONS.delete_self_serve_policy,
  lapsed: 'Lapse Customer Purchase Permissions',
  restored: 'Restore Customer Purchase Permissions',
} as const;

/** Every action label of the log. */
export const ACTIONS: readonly string[] = [
  ...new Set([...Object.values(OPERATIONS), ...Object.values(PERMISSION_ACTIONS)]),
];
