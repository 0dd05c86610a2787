import { createProxy } from '@repo/auth/next/proxy'

export const proxy = createProxy({ protect: ['/account', '/dashboard'] })
export const config = { matcher: '/((?!api/|_next/|.*\\.[a-z]+$).*)' }
