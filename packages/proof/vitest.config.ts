import { postgres, project, queue } from '../../vitest.workspace.ts'

export default project('proof', { globalSetup: [postgres, queue] })
