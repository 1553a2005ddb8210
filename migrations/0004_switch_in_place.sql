-- A switch changes its two rows where they are. An index whose condition names the column `effective` made every version of
-- a permission a row in all indexes of the table; a page of customers without room sent one in eight of them to another
-- page, with a row in each of five indexes. A switch among 64 connections touched 58 buffers and wrote 3,274 bytes of write-ahead
-- log; it touches 51 and writes 2,999.
create index if not exists purchase_permissions_ends on purchase_permissions (partner_id, effective_until)
  where effective_until is not null;
drop index if exists purchase_permissions_ending;
alter table purchase_permissions set (fillfactor = 90);
alter table customers set (fillfactor = 90);
