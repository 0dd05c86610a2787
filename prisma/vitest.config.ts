import { postgres, project } from '../vitest.workspace.ts'

export default project('db', { globalSetup: [postgres] })
