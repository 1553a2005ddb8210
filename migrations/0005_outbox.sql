-- What is past its time is found by its status and age, and the oldest that waits as well: with 3 000 000 events of the last
-- days looking for those of the week before took more than 2 s, and nothing was forgotten any more.
create index if not exists webhook_events_aged on webhook_events (partner_id, status, occurred_on);
-- What occurred before is not sent. Null: registered before this column was there.
alter table webhook_registrations add column if not exists registered_on timestamptz;
