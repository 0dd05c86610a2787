import { postgres, project, queue } from '../../vitest.workspace.ts'

export default project('auth', {
  globalSetup: [postgres, queue],
  // Better Auth keeps what it finds when it is loaded, but asks for TEST each time, so a file can do without.
  env: { NODE_ENV: '' },
})
