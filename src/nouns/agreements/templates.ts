import published from './templates.json' with { type: 'json' };

export const AGREEMENT_TYPES = ['MicrosoftCloudAgreement', 'MicrosoftCustomerAgreement'] as const;
export type AgreementType = (typeof AGREEMENT_TYPES)[number];

export interface AgreementTemplate {
  templateId: string;
  agreementType: AgreementType;
  agreementLink: string;
  versionRank: number;
}

/** What customers can accept, as published in the data file beside. */
export const TEMPLATES: readonly AgreementTemplate[] = published.templates.map((template) => {
  const agreementType = AGREEMENT_TYPES.find((type) => type === template.agreementType);
  if (agreementType === undefined) throw new Error(`templates.json has the unknown type ${template.agreementType}`);
  return { ...template, agreementType };
});

export function findTemplate(templateId: string): AgreementTemplate | undefined {
  return TEMPLATES.find((template) => template.templateId === templateId.toLowerCase());
}
