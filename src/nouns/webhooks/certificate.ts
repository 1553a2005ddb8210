/** A self-signed certificate, PEM, for a key that signs deliveries and does nothing else. */
export async function makeCertificate(of: {
  partnerId: string;
  keyId: string;
  /** PEM: SPKI and PKCS #8. */
  publicKey: string;
  privateKey: string;
  from: Date;
  until: Date;
}): Promise<string> {
  // Loaded when a key is made, every second year: it is as large as the rest of the service's own code.
  const { default: forge } = await import('node-forge');
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(of.publicKey);
  // Positive whatever the id begins with.
  certificate.serialNumber = `01${of.keyId.replaceAll('-', '')}`;
  certificate.validity.notBefore = of.from;
  certificate.validity.notAfter = of.until;
  const name = [
    { name: 'commonName', value: `webhooks of ${of.partnerId}` },
    { name: 'organizationName', value: 'customer-permissions' },
  ];
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(of.privateKey), forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate);
}
