import { project } from '../../vitest.workspace.ts'

/** The app in Next.js. It keeps every processor busy, so it runs when the others are done. */
export default project('next', {
  include: ['src/__tests__/nextApp.test.ts'],
  testTimeout: 600_000,
  hookTimeout: 900_000,
  sequence: { groupOrder: 1 },
})
