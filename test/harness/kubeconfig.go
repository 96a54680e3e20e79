package harness

import (
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// Token returns a bearer token that the API server knows.
func (e *Env) Token() string {
	e.T.Helper()
	if token := e.cluster.config.BearerToken; token != "" {
		return token
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: e.Operator.Namespace, GenerateName: "test-"}}
	request := &authenticationv1.TokenRequest{}
	err := e.cluster.client.Create(e.T.Context(), account)
	if err == nil {
		err = e.cluster.client.SubResource("token").Create(e.T.Context(), account, request)
	}
	if err != nil {
		e.T.Fatalf("get a token: %v", err)
	}
	return request.Status.Token
}
