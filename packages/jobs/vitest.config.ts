import { postgres, project } from '../../vitest.workspace.ts'

export default project('jobs', { globalSetup: [postgres] })
