/**
 * The kinds of the options of `createAuth`, which are checked before anything else is made of them.
 *
 * @module
 */

import {
  aBoolean,
  aFunction,
  aListOfStrings,
  aNumber,
  aString,
  eitherOf,
  kind,
  listOf,
  type OptionKind,
  objectOf,
  objectWith,
  oneOf,
  optionProblem,
  parseUrl,
  recordOf,
  required,
} from '@repo/core'
import { isSchema } from './account/user-fields.ts'
import { AuthError } from './errors.ts'
import type { AnyAuthOptions, AuthOptions } from './options.ts'

const keys = {
  clientId: required(aString),
  clientSecret: required(aString),
  endpoint: kind(
    'an http or https address',
    (value) => typeof value === 'string' && /^https?:$/.test(parseUrl(value)?.protocol ?? ''),
  ),
}

const oidc = objectOf({
  issuer: required(aString),
  clientId: required(aString),
  clientSecret: aString,
  scopes: aListOfStrings,
})

const keySet = objectOf(
  { keys: required(listOf(recordOf(any(), 'a JSON Web Key'), 'a list of JSON Web Keys')) },
  'a JSON Web Key Set',
)

const aSchema = kind('a schema of zod 4', isSchema)

const userField = objectOf(
  { schema: required(aSchema), input: aBoolean, returned: aBoolean, fromProfile: aFunction },
  'an object with schema',
)

/** Every value. */
function any(): OptionKind {
  return { give: 'any value', problem: () => null }
}

const KINDS: Record<keyof AuthOptions, OptionKind> = {
  db: objectWith('a database client, as createDb of @repo/db makes it', '$queryRaw'),
  baseURL: aString,
  secret: aString,
  appName: aString,
  sender: objectWith('a sender, as createSender of @repo/email makes it', 'sendEmail'),
  twoFactor: aBoolean,
  oauth: objectOf({ scopes: required(aListOfStrings), consentPage: aString }), // #oauth-server
  oidc: recordOf(oidc, 'an object with OpenID Connect providers by id'),
  logger: objectWith('a logger such as pino', 'debug', 'info', 'warn', 'error'),
  bcryptRounds: aNumber,
  passwordPeppers: aListOfStrings,
  breachedPasswords: eitherOf(aBoolean, aFunction),
  access: objectWith('an access, as createAccess of @repo/auth/access makes it', 'can', 'require'),
  user: objectOf({ fields: recordOf(eitherOf(aSchema, userField), 'an object with fields') }),
  locales: aListOfStrings,
  plugins: listOf(
    objectOf({ id: required(aString) }, 'a plugin of Better Auth'),
    'a list of plugins',
  ),
  ordinaryEndpoints: aListOfStrings,
  errorTexts: recordOf(recordOf(aString, 'an object with texts by code'), 'an object by language'),
  pages: recordOf(aString, 'an object with paths'),
  events: recordOf(aFunction, 'an object with handlers'),
  rateLimit: aBoolean,
  bounds: recordOf(aNumber, 'an object with numbers'),
  session: objectOf({ idleDays: aNumber, absoluteDays: aNumber }),
  accessToken: objectOf({ alg: oneOf('ES256', 'RS256'), keys: eitherOf(keySet, aFunction) }),
  listenUrl: aString,
  keepAuditDays: aNumber,
  keepUnconfirmedDays: aNumber,
  undoEmailChangeDays: aNumber,
  deletionGraceDays: aNumber,
  redisUrl: aString,
  github: objectOf(keys),
  google: objectOf(keys),
  microsoft: objectOf({ ...keys, tenantId: aString }),
  ipAddressHeaders: aListOfStrings,
  trustedProxies: aListOfStrings,
}

/** Checks the argument of `createAuth`. @throws `invalid_options` for an option of a wrong kind; names it */
export function requireKinds(given: unknown): void {
  const problem = optionProblem('createAuth', KINDS, given)
  if (problem !== null) throw new AuthError('invalid_options', problem)
}

/** Checks that the options have a base URL and a secret, which may have come from the environment. */
export function requireGiven({ baseURL, secret }: Partial<AnyAuthOptions>): void {
  const members = { baseURL: required(aString), secret: required(aString) }
  const problem = optionProblem('createAuth', members, { baseURL, secret })
  if (problem !== null) throw new AuthError('invalid_options', problem)
}
