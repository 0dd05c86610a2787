export { createTestDatabase, type TestDatabase, type TestPostgres } from './database.ts'
export {
  freePort,
  OWNER,
  type PostgresOptions,
  type PostgresServer,
  removePostgres,
  startPostgres,
} from './postgres.ts'
