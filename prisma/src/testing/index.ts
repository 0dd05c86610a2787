import type {} from 'vitest'
import type { TestPostgres } from './database.ts'

export { createTestDatabase, type TestDatabase, type TestPostgres } from './database.ts'
export {
  freePort,
  OWNER,
  type PostgresOptions,
  type PostgresServer,
  removePostgres,
  type StopOptions,
  startPostgres,
} from './postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** `inject('postgres')`, for `createTestDatabase`. */
    postgres: TestPostgres
  }
}
