export { toNodeHandler } from 'better-auth/node'
export {
  type Auth,
  type AuthOptions,
  type AuthUser,
  auth,
  createAuth,
  getSession,
  getUser,
  type ProviderKeys,
  requireAuth,
  requireRole,
} from './auth.ts'
export { createEdge, type EdgeOptions } from './edge.ts'
export { authEnv } from './env.ts'
export { AuthError, type AuthErrorCode } from './errors.ts'
export { type FormAction, safePath } from './forms.ts'
export { sameSiteHop } from './hop.ts'
export type { Guards, Role, Session } from './session.ts'
