import { defineConfig } from '@repo/core/config'
import { auth, billing } from './src/lib/tollgate.ts'

export default defineConfig({ auth, billing })
