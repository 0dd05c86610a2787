export { type NodeHandlerOptions, toNodeHandler } from '@repo/core/node'
export {
  forOrganization,
  type OrganizationDb,
  TenancyError,
  type TenancyErrorCode,
} from '@repo/db'
export {
  type Access,
  type AccessOptions,
  type AccessRecord,
  type Circumstances,
  createAccess,
  type Decision,
  type Policy,
  type Question,
  type Resource,
  type Rule,
} from './access.ts'
export type { Device } from './account/device.ts'
export type { UserExport } from './account/export.ts'
export type { MailedLink } from './account/mailed-links.ts'
export { ProfileIncompleteError } from './account/profile.ts'
export type {
  ProviderProfile,
  UserField,
  UserFields,
  UserFieldValues,
} from './account/user-fields.ts'
export {
  type AuditAction,
  type AuditDetail,
  type AuditEntry,
  type AuditFilter,
  type AuditPage,
  audit,
  listAuditLog,
  pruneAuditLog,
} from './audit/audit.ts'
export {
  auth,
  can,
  createAuth,
  deleteUser,
  exportUser,
  getProfile,
  getSession,
  getUser,
  listSessions,
  rateLimit,
  renewCookies,
  requireAal2,
  requireAuth,
  requireOrganization,
  requirePermission,
  requireRecentSignIn,
  requireRole,
  revokeOtherSessions,
  revokeSession,
} from './auth.ts'
export { createEdge, type Edge, type EdgeOptions } from './edge.ts'
export { authEnv, authFromEnv } from './env.ts'
export { AuthError, type AuthErrorCode } from './errors.ts'
export type { AuthEvents, EventOrganization, EventUser } from './events.ts'
export type { ApiLimits } from './http/api-limits.ts'
export { type FormAction, safePath } from './http/forms.ts'
export { sameSiteRedirect } from './http/same-site.ts'
export type { ErrorTexts } from './http/texts.ts'
export type {
  ImportedAccount,
  ImportedUser,
  ImportRefusal,
  ImportUsersOptions,
  ImportUsersResult,
  RefusedUser,
} from './import/import-users.ts'
export type { Auth, AuthHandler, AuthUser, UserProfile } from './instance.ts'
export {
  type Credentials,
  createIntegrations,
  deleteIntegration,
  getCredentials,
  type Integration,
  type Integrations,
  type IntegrationsOptions,
  integrationEnv,
  integrations,
  listIntegrations,
  type Reencrypted,
  reencryptIntegrations,
  saveIntegration,
} from './integrations.ts'
export type { AuthOptions, AuthSender, GivenAuthOptions, Pages } from './options.ts'
export {
  defaultRoles,
  defineRoles,
  type OrganizationRole,
  PERMISSIONS,
  type Permission,
  ROLES,
  type Roles,
  type UserRole,
} from './permissions.ts'
// #region oauth-server
export type {
  NewOAuthClient,
  OAuthClientKeys,
  OAuthServerOptions,
} from './programs/oauth-options.ts'
// #endregion
export type { Session } from './session/caller.ts'
export type {
  Guards,
  OrganizationSession,
  ReadOptions,
  RecentOptions,
  Role,
} from './session/session.ts'
export type { SessionInfo } from './session/sessions.ts'
export type { ConfirmationState } from './sign-in/confirmation.ts'
export type { OidcProvider, OidcProviders } from './sign-in/oidc-options.ts'
export type { MicrosoftKeys, ProviderKeys } from './sign-in/provider-keys.ts'
