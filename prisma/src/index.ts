export {
  asDatabase,
  atomically,
  createDb,
  type Database,
  type Db,
  type DbOptions,
  databaseEnv,
  databaseUrlOf,
  db,
  type ExtendedClient,
  type TransactionOptions,
} from './client.ts'
export { columnsOf } from './columns.ts'
export {
  asSystem,
  type Connection,
  connectionStringOf,
  connectionTo,
  type DatabaseTarget,
  databaseTargetOf,
} from './connection.ts'
export { functionSums } from './function-sums.ts'
export type * from './generated/client.ts'
export { Prisma } from './generated/client.ts'
export { type Granted, grantRole, repeatGrants } from './grants.ts'
export {
  createInvalidations,
  type InvalidationOptions,
  type Invalidations,
} from './invalidations.ts'
export { migrate, pendingMigrations } from './migrate.ts'
export { pipelineQuery } from './pipeline-query.ts'
export { queryNamed, type SqlError, sqlErrorOf } from './query-named.ts'
export {
  openRehearsal,
  type Rehearsal,
  type RehearsalOptions,
  rehearsalRefusal,
} from './rehearsal.ts'
export { TenancyError, type TenancyErrorCode } from './tenancy/errors.ts'
export { forOrganization } from './tenancy/organization.ts'
export type { OrganizationDb } from './tenancy/types.ts'
