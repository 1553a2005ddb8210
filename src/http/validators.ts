import AjvCompiler from '@fastify/ajv-compiler';

type Factory = ReturnType<typeof AjvCompiler>;
type Validate = ReturnType<ReturnType<Factory>>;

/**
 * Fastify's validators, compiled at the first request that needs one: all of them took a quarter of the start. Only
 * then is their compiler looked up, too: Fastify asks for it with each route, and its key is the text of all shared schemas.
 */
export function lazyValidators(): Factory {
  const factory = AjvCompiler();
  return (externalSchemas, options) => {
    return (route) => {
      let validate: Validate | undefined;
      const lazy = ((data) => {
        validate ??= factory(externalSchemas, options)(route);
        const valid = validate(data);
        lazy.errors = validate.errors ?? null;
        return valid;
      }) as Validate;
      return lazy;
    };
  };
}
