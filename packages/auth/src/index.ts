export { toNodeHandler } from 'better-auth/node'
export {
  type Auth,
  type AuthUser,
  auth,
  createAuth,
  getSession,
  getUser,
  requireAuth,
  requireRole,
} from './auth.ts'
export { createEdge, type EdgeOptions } from './edge.ts'
export { authEnv } from './env.ts'
export { AuthError, type AuthErrorCode } from './errors.ts'
export { type FormAction, safePath } from './forms.ts'
export { sameSiteHop } from './hop.ts'
export type { OidcProvider, OidcProviders } from './oidc.ts'
export type { AuthOptions, Pages } from './options.ts'
export type { MicrosoftKeys, ProviderKeys } from './providers.ts'
export type { Guards, Role, Session } from './session.ts'
