export { type MadeCertificate, makeCertificate } from './make-certificate.ts'
