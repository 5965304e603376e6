/**
 * Schemas to validators. Bodies are taken as they are: "1" is not 1 and an unknown field is an
 * error. Path and query parameters are text, so there numbers are read from text.
 */
import { Ajv, type ErrorObject } from 'ajv';
import type { FastifySchemaCompiler, FastifySchemaValidationError } from 'fastify';
import { Fault } from '../errors/index.ts';

const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;

function newAjv(coerceTypes: boolean): Ajv {
  const ajv = new Ajv({
    coerceTypes,
    removeAdditional: false,
    useDefaults: false,
    allErrors: false, // one error is enough for people, and bounds the work for a hostile body
    verbose: true, // for the schema's description: what would have been right
    allowUnionTypes: true,
  });
  ajv.addFormat('date-time', DATE_TIME);
  return ajv;
}

export function validatorCompiler(): FastifySchemaCompiler<object> {
  const strict = newAjv(false);
  const fromText = newAjv(true);
  return ({ schema, httpPart }) => {
    return (httpPart === 'body' ? strict : fromText).compile(schema);
  };
}

/** The first thing that is wrong, in terms of the field and the value given. */
export function faultOfValidation(errors: FastifySchemaValidationError[], dataVar: string): Fault {
  // A union reports each of its members, then itself: the last one has the whole description.
  const error = errors.at(-1);
  if (error === undefined) return new Fault('INVALID_INPUT', `${dataVar} is wrong`);
  const { data, parentSchema } = error as Partial<ErrorObject>;
  const path = error.instancePath.slice(1).replaceAll('/', '.');
  const child = error.params['additionalProperty'] ?? error.params['missingProperty'];
  const field = [path, child].filter((part) => part !== undefined && part !== '').join('.');
  const told = error.keyword === 'additionalProperties' || error.keyword === 'required';
  // The whole of it is not said again either: what kept a secret from being found may be what is wrong.
  const isWhole = path === '' && typeof data === 'object';
  return new Fault('INVALID_INPUT', `${field || dataVar} ${sentence(error)}`, {
    field: field || dataVar,
    // A secret is not said again, not even to whoever gave it.
    ...(told || isWhole || parentSchema?.['writeOnly'] === true ? {} : { value: data }),
    expected: expectedOf(error, parentSchema),
  });
}

function sentence(error: FastifySchemaValidationError): string {
  switch (error.keyword) {
    case 'additionalProperties':
      return 'is not a field of this request';
    case 'required':
      return 'is missing';
    default:
      return error.message ?? 'is wrong';
  }
}

function expectedOf(
  error: FastifySchemaValidationError,
  schema: ErrorObject['parentSchema'],
): string {
  const described = schema?.['description'];
  const properties = Object.keys(schema?.['properties'] ?? {});
  switch (error.keyword) {
    case 'additionalProperties':
      return `one of ${properties.join(', ')}`;
    case 'required': {
      const missing = schema?.['properties']?.[String(error.params['missingProperty'])];
      return String(missing?.description ?? 'a value');
    }
    default:
      return typeof described === 'string' ? described : (error.message ?? 'another value');
  }
}
