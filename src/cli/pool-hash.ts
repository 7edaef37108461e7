export { fasterHash, poolHash } from '../repository/index.ts'
