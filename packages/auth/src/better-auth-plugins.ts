/**
 * Plugins of Better Auth that work with auth, and what a host needs to write its own, from the copy of Better Auth
 * that auth uses. A second copy in an app would not recognise the errors and the sessions of the first.
 *
 * @module
 */

export type { BetterAuthPlugin } from 'better-auth'
export {
  APIError,
  createAuthEndpoint,
  createAuthMiddleware,
  sessionMiddleware,
} from 'better-auth/api'
export { captcha, lastLoginMethod, openAPI, username } from 'better-auth/plugins'
