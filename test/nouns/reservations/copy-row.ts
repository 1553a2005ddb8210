import type { Service } from '../../helpers/service.js';

/** Copies one row that has the values of `of`, with those of `own` instead. */
export async function copyRow(
  service: Service,
  table: string,
  of: Readonly<Record<string, string>>,
  own: Readonly<Record<string, unknown>>,
): Promise<void> {
  const conditions = Object.keys(of).map((name, index) => `${name} = $${index + 1}`);
  const [row] = await service.sql(`select * from ${table} where ${conditions.join(' and ')}`, Object.values(of));
  const copy = { ...row, ...own };
  const places = Object.keys(copy).map((_, index) => `$${index + 1}`);
  await service.sql(
    `insert into ${table} (${Object.keys(copy).join(', ')}) values (${places.join(', ')})`,
    Object.values(copy),
  );
}
