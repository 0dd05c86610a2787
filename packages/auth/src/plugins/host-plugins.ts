/**
 * Better Auth plugins of the host's own. Their endpoints stand behind the same border as ours: the check of the
 * origin and of the body, the limits, the second factor, the recent sign-in. A plugin that would break a promise of
 * auth is refused when the instance is made, and an endpoint that would replace one of ours at the first use.
 *
 * @module
 */

import type { BetterAuthPlugin } from 'better-auth'
import { type OwnFields, TAKEN_FIELDS } from '../account/user-fields.ts'
import { AuthError } from '../errors.ts'
import { REFUSED_PLUGINS } from './refused.ts'

/** An endpoint, as far as it is read here. */
interface Endpoint {
  path?: string
  options?: { method?: string | readonly string[] }
}

const invalid = (message: string) => new AuthError('invalid_options', message)

/** Checks the option. @throws `invalid_options` for a plugin that is refused, named twice or not a plugin */
export function checkPlugins(plugins: readonly BetterAuthPlugin[]): void {
  const ids = new Set<string>()
  for (const { id } of plugins) {
    const reason = Object.hasOwn(REFUSED_PLUGINS, id) ? REFUSED_PLUGINS[id] : undefined
    if (reason !== undefined) {
      throw invalid(`createAuth: plugins must not have ${id}: ${reason}.`)
    }
    if (id.startsWith('tollgate')) {
      throw invalid(`createAuth: plugins has ${id}, and auth uses that id. Choose another id.`)
    }
    if (ids.has(id)) throw invalid(`createAuth: plugins has ${id} twice. Remove one of them.`)
    ids.add(id)
  }
}

/**
 * Checks that no endpoint of the host's plugins replaces another, by its name in `auth.api` or by its path.
 *
 * @throws `invalid_options` (500)
 */
export function requireOwnEndpoints(
  ours: Readonly<Record<string, unknown>>,
  plugins: readonly BetterAuthPlugin[],
): void {
  const names = new Map(Object.keys(ours).map((name) => [name, 'auth']))
  const routes = new Map<string, string>()
  for (const endpoint of Object.values(ours)) {
    for (const route of routesOf(endpoint as Endpoint)) routes.set(route, 'auth')
  }
  for (const { id, endpoints = {} } of plugins) {
    for (const [name, endpoint] of Object.entries(endpoints)) {
      const other = names.get(name)
      if (other !== undefined) {
        throw invalid(
          `createAuth: the plugin ${id} has the function ${name}, and ${other} has it, too.`,
        )
      }
      names.set(name, id)
      for (const route of routesOf(endpoint as Endpoint)) {
        const owner = routes.get(route)
        if (owner !== undefined) {
          throw invalid(`createAuth: the plugin ${id} answers ${route}, and ${owner} does, too.`)
        }
        routes.set(route, id)
      }
    }
  }
}

/** The methods and paths of an endpoint, with every parameter written alike. */
const routesOf = ({ path, options }: Endpoint): string[] =>
  path === undefined
    ? []
    : [options?.method ?? 'GET'].flat().map((method) => `${method} ${path.replace(/:\w+/g, ':id')}`)

const COMMON = ['id', 'userId', 'createdAt', 'updatedAt', 'expiresAt']

/** The columns that auth writes, by Better Auth's name of the table. */
const WRITTEN: Readonly<Record<string, ReadonlySet<string>>> = {
  user: TAKEN_FIELDS,
  session: new Set([
    ...[...COMMON, 'token', 'ipAddress', 'userAgent', 'activeOrganizationId'],
    ...['aal', 'predecessorHash', 'successorSeenAt'],
  ]),
  account: new Set([
    ...[...COMMON, 'accountId', 'providerId', 'accessToken', 'refreshToken', 'idToken'],
    ...['accessTokenExpiresAt', 'refreshTokenExpiresAt', 'scope', 'password'],
  ]),
  verification: new Set([...COMMON, 'identifier', 'value']),
}

/**
 * Checks that no plugin declares a column of auth or a field of the host as its own. Better Auth would take the plugin's
 * word for who may set it, and a caller could make themselves an administrator.
 *
 * @throws `invalid_options`
 */
export function requireOwnColumns(
  plugins: readonly BetterAuthPlugin[],
  own: Pick<OwnFields, 'all'>,
): void {
  for (const { id, schema = {} } of plugins) {
    for (const [key, { modelName = key, fields }] of Object.entries(schema)) {
      const table = modelName.toLowerCase()
      for (const [name, { fieldName = name }] of Object.entries(fields)) {
        const isTaken = (each: string) =>
          WRITTEN[table]?.has(each) === true || (table === 'user' && own.all.has(each))
        if (!isTaken(name) && !isTaken(fieldName)) continue
        const at = `${modelName}.${fieldName === name ? name : `${name} (the column ${fieldName})`}`
        throw invalid(
          `createAuth: the plugin ${id} declares ${at}, which auth or your user.fields has already. Remove it from the plugin, or give it another name.`,
        )
      }
    }
  }
}

/** The columns of `User` that plugins let a customer set, such as `username`. */
export const userFieldsOf = (plugins: readonly BetterAuthPlugin[]): string[] =>
  plugins.flatMap(({ schema }) =>
    Object.entries(schema?.user?.fields ?? {}).flatMap(([name, { input, fieldName = name }]) =>
      input === false || fieldName !== name ? [] : [name],
    ),
  )

/** Checks the option `ordinaryEndpoints` and returns it. @throws `invalid_options` for an unknown path */
export function requireOrdinary(
  plugins: readonly BetterAuthPlugin[],
  paths: readonly string[] = [],
): readonly string[] {
  const known = new Set(
    plugins.flatMap(({ endpoints = {} }) =>
      (Object.values(endpoints) as Endpoint[]).map(({ path }) => path),
    ),
  )
  const unknown = paths.find((path) => !known.has(path))
  if (unknown === undefined) return paths
  throw invalid(
    `createAuth: ordinaryEndpoints has ${unknown}, and no plugin of the host answers it.`,
  )
}

/** The paths at which the host's plugins sign people in. Such a request shows a credential of its own. */
export const signInPathsOf = (plugins: readonly BetterAuthPlugin[]): ReadonlySet<string> =>
  new Set(
    plugins
      .flatMap(({ endpoints = {} }) => Object.values(endpoints) as Endpoint[])
      .flatMap(({ path }) => (path?.startsWith('/sign-in/') ? [path] : [])),
  )
