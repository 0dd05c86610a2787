export { toNodeHandler } from 'better-auth/node'
export {
  type Auth,
  type AuthUser,
  auth,
  createAuth,
  getSession,
  getUser,
  listSessions,
  renewCookies,
  requireAuth,
  requireRole,
  revokeOtherSessions,
  revokeSession,
} from './auth.ts'
export { createEdge, type Edge, type EdgeOptions } from './edge.ts'
export { authEnv } from './env.ts'
export { AuthError, type AuthErrorCode } from './errors.ts'
export { type FormAction, safePath } from './forms.ts'
export { sameSiteHop } from './hop.ts'
export type { NewOAuthClient, OAuthClientKeys, OAuthServerOptions } from './oauth-server.ts'
export type { OidcProvider, OidcProviders } from './oidc.ts'
export type { AuthOptions, Pages } from './options.ts'
export type { MicrosoftKeys, ProviderKeys } from './providers.ts'
export type { Guards, ReadOptions, Role, Session } from './session.ts'
export type { SessionInfo } from './sessions.ts'
