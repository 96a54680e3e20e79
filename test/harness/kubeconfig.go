package harness

import (
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Kubeconfig writes a kubeconfig of the API server, for managers that are
// processes of their own, and returns its path.
func (e *Env) Kubeconfig() string {
	e.T.Helper()
	const name = "test"
	from, to := e.cluster.config, api.NewConfig()
	to.Clusters[name] = &api.Cluster{
		Server: from.Host, CertificateAuthority: from.CAFile, CertificateAuthorityData: from.CAData,
	}
	to.AuthInfos[name] = &api.AuthInfo{
		Token: from.BearerToken, ClientCertificateData: from.CertData, ClientKeyData: from.KeyData,
	}
	to.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	to.CurrentContext = name
	path := filepath.Join(e.T.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*to, path); err != nil {
		e.T.Fatalf("write a kubeconfig: %v", err)
	}
	return path
}
