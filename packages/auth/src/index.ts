export { toNodeHandler } from 'better-auth/node'
export {
  type AuditAction,
  type AuditEntry,
  type AuditFilter,
  type AuditPage,
  audit,
  listAuditLog,
  pruneAuditLog,
} from './audit.ts'
export {
  type Auth,
  type AuthUser,
  auth,
  createAuth,
  getSession,
  getUser,
  rateLimit,
  requireAuth,
  requireRole,
} from './auth.ts'
export { createEdge, type EdgeOptions } from './edge.ts'
export { authEnv } from './env.ts'
export { AuthError, type AuthErrorCode } from './errors.ts'
export { type FormAction, safePath } from './forms.ts'
export { sameSiteHop } from './hop.ts'
export type { ApiLimits } from './limits.ts'
export type { AuthOptions, Pages } from './options.ts'
export type { ProviderKeys } from './providers.ts'
export type { Guards, Role, Session } from './session.ts'
