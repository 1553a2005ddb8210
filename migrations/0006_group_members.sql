-- The groups of a user are found by the member: of a customer of 100 000 users, each in two groups, 200 000 rows were read.
create index if not exists group_members_by_member on group_members (partner_id, customer_id, member_id, group_id);
