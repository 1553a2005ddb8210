import fjs from '@fastify/fast-json-stringify-compiler';

type Factory = ReturnType<typeof fjs.SerializerSelector>;
type Serializer = ReturnType<ReturnType<Factory>>;

/**
 * Fastify's response serialisers, compiled at the first answer that needs one instead of one per route and status at the
 * start: 1 800 of them took two thirds of it. Refusals are made by `plugins/errors.ts` in their final form and need none.
 */
export function lazySerializers(): Factory {
  const factory = fjs.SerializerSelector();
  return (externalSchemas, options) => {
    const compile = factory(externalSchemas, options);
    return (route) => {
      if (Number(route.httpStatus) >= 400) return JSON.stringify;
      let serialize: Serializer | undefined;
      return (body) => {
        serialize ??= compile(route);
        return serialize(body);
      };
    };
  };
}
