/** Better Auth's browser client, configured for this package's server. */

import { passkeyClient } from '@better-auth/passkey/client'
import type { BetterAuthClientPlugin } from 'better-auth/client'
import { createAuthClient as create } from 'better-auth/client'
import { magicLinkClient, organizationClient, twoFactorClient } from 'better-auth/client/plugins'
import type { accounts } from './account/plugin.ts'
import type { AuthUser } from './instance.ts'

/** An instance of `createAuth`, of which only the type of its user counts. */
interface OfUser<User extends AuthUser = AuthUser> {
  getUser(req: Request): Promise<User | null>
}

/** The user of an instance; the built-in one for an unknown instance. */
type UserOf<Instance> = Instance extends OfUser<infer User> ? User : AuthUser

/** Better Auth's name for the type of a value. */
type TypeName<Value> = Value extends string
  ? string extends Value
    ? 'string'
    : Value[]
  : Value extends number
    ? 'number'
    : Value extends boolean
      ? 'boolean'
      : Value extends Date
        ? 'date'
        : Value extends readonly (infer Item)[]
          ? Item extends number
            ? 'number[]'
            : 'string[]'
          : never

/** The host's own fields, as the client's types read them. A user may lack any of them. */
interface FieldsPlugin<User> {
  id: 'tollgate-user-fields'
  schema: {
    user: {
      fields: {
        [Name in Exclude<keyof User, Exclude<keyof AuthUser, 'locale'>>]: {
          type: TypeName<NonNullable<User[Name]>>
          required: false
        }
      }
    }
  }
}

/** Adds the host's own fields to the types of the client. */
const fieldsClient = <Instance>() =>
  ({
    id: 'tollgate-user-fields',
    $InferServerPlugin: {} as FieldsPlugin<UserOf<Instance>>,
  }) satisfies BetterAuthClientPlugin

/** Adds `changeEmail.confirm`, `changeEmail.undo`, `deleteUser.cancel` and `exportUser` to the client. */
const accountClient = () =>
  ({
    id: 'tollgate-account',
    $InferServerPlugin: {} as ReturnType<typeof accounts>,
    pathMethods: { '/delete-user/cancel': 'POST', '/export-user': 'GET' },
  }) satisfies BetterAuthClientPlugin

/**
 * Makes Better Auth's browser client with the plugins of this package's server. Name the type of your instance, and
 * the client's types know your own fields of the user.
 *
 * @param baseURL the host's origin. Default: the page's origin.
 * @param fetchImpl for a program that keeps cookies itself. Default: the page's `fetch`.
 *
 * @example
 * ```ts
 * import { createAuthClient } from '@repo/auth/client'
 *
 * const client = createAuthClient()
 *
 * export const signIn = (email: string, password: string) =>
 *   client.signIn.email({ email, password })
 * ```
 */
export function createAuthClient<Instance = unknown>(baseURL?: string, fetchImpl?: typeof fetch) {
  return create({
    ...(baseURL ? { baseURL } : {}),
    ...(fetchImpl ? { fetchOptions: { customFetchImpl: fetchImpl } } : {}),
    plugins: [
      organizationClient(),
      magicLinkClient(),
      passkeyClient(),
      twoFactorClient(),
      accountClient(),
      fieldsClient<Instance>(),
    ],
  })
}

export { createFetch } from './http/client-fetch.ts'
