import { project } from '../../vitest.workspace.ts'

/** The app in Next.js. It takes the longest of all files and depends on no other, so it begins first. */
export default project('next', {
  include: ['src/__tests__/nextApp.test.ts'],
  testTimeout: 600_000,
  hookTimeout: 900_000,
})
