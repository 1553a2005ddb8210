import t from 'tap';
import { citusUrl } from '../helpers/citus.js';
import { createTestDatabase } from '../helpers/database.js';
import { insertPurchase } from '../helpers/purchases.js';
import { startService } from '../helpers/service.js';

t.test(
  'letters match in any case, also where the database makes a dotless letter of I',
  {
    skip: citusUrl !== undefined,
  },
  async (t) => {
    const database = await createTestDatabase(t, { icuLocale: 'tr-TR' });
    const { request, tokens, sql, db, newCustomer } = await startService(t, {}, { database });
    t.same(await sql("select lower('I') as letter"), [{ letter: 'ı' }]);
    const customer = await newCustomer();
    const { customerId, azureSubscriptionId, ownerUpn } = customer;
    const token = await tokens.customerUser(customerId, ownerUpn);

    await insertPurchase(db, customer, { total: 600 });
    await sql("update reservations set display_name = 'INVOICING' where customer_id = $1", [customerId]);
    for (const filter of [
      "properties/displayName eq 'invoicing'",
      "properties/displayProvisioningState ne 'EXPIRING'",
    ]) {
      const path = '/providers/Microsoft.Capacity/reservations?api-version=2022-11-01';
      const { body } = await request('GET', `${path}&$filter=${encodeURIComponent(filter)}`, { token });
      t.match(body.value, [{ properties: { displayName: 'INVOICING' } }], filter);
    }

    const permission = `/v1/customers/${customerId}/purchasepermissions/AzureReservedInstances`;
    await sql("update customers set company_name = 'ÄRZTE-INFO' where customer_id = $1", [customerId]);
    t.equal((await request('PUT', permission, { body: { state: 'on' } })).status, 201);
    const filter = { Field: 'CompanyName', Value: 'ärzte-info', Operator: 'substring' };
    for (const path of [
      `/v1/auditrecords?filter=${encodeURIComponent(JSON.stringify(filter))}`,
      '/v1/activitylog?actor=ADA.ADMIN@CONTOSOPARTNER.ONMICROSOFT.COM',
    ]) {
      t.match((await request('GET', path)).body.items, [{}], path);
    }

    await sql("update azure_subscriptions set management_groups = '{FINANCIAL}' where customer_id = $1", [customerId]);
    await sql(
      `update role_assignments set scope = '/providers/Microsoft.Management/managementGroups/financial', scope_level = 'management_group',
       scope_key = '/providers/microsoft.management/managementgroups/financial', azure_subscription_id = null
     where customer_id = $1 and role_assignment_id = $2`,
      [customerId, customer.roleAssignmentId],
    );
    const { body } = await request('GET', '/subscriptions?api-version=2022-12-01', { token });
    t.match(body.value, [{ subscriptionId: azureSubscriptionId }]);
  },
);
