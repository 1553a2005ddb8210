-- The products of a price list are walked by it. Prices stay when newer ones are in force, so the list grows.
create index if not exists retail_prices_walked on retail_prices
  (partner_id, currency_code, product_id, reserved_resource_type, effective_on);
