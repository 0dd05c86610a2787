import type {} from 'vitest'
import type { TestPostgres } from './database.ts'

export { checksums } from './checksums.ts'
export {
  cloneDatabase,
  countLockWaits,
  createTestDatabase,
  dropDatabase,
  type TestDatabase,
  type TestPostgres,
  WITHOUT_HURRY,
} from './database.ts'
export { createHostPackage, type HostPackage } from './host-package.ts'
export {
  freePort,
  OWNER,
  type PostgresOptions,
  type PostgresServer,
  removePostgres,
  type StopOptions,
  startPostgres,
} from './postgres.ts'

export { createTestRole, type TestRole } from './role.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** For `createTestDatabase`: `inject('postgres')`. */
    postgres: TestPostgres
  }
}
