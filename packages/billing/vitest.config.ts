import { postgres, project } from '../../vitest.workspace.ts'

export default project('billing', { globalSetup: [postgres] })
